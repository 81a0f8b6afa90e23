import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

q = Provider("q", "r1", zone="z", opts=Opts(aliases=[pulumi.Alias(name="p")]))
a = Thing("a", "a", replace_key="1", opts=Opts(provider=q))
b = Thing("b", a.id)
