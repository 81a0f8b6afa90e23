import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", 1)
i = Thing("i", "v", opts=Opts(import_="e-1", depends_on=[a]))
x = Thing.get("x", "e-2", opts=Opts(depends_on=[i]))
