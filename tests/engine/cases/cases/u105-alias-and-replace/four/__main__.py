import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a2", "v", replace_key="2")
n = Thing("n", "n", opts=Opts(aliases=[pulumi.Alias(name="a2")], depends_on=[a]))
