import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

c = Thing("c", "p")
a = Thing("a", "v", replace_key="other", opts=Opts(import_="e-1", depends_on=[c]))
