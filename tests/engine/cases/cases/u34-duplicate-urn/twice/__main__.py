import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1")
b = Thing("a", "2", opts=Opts(depends_on=[a]))
