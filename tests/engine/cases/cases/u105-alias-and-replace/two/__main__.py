import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a2", "v", replace_key="2", opts=Opts(aliases=[pulumi.Alias(name="a")]))
b = DbrThing("b2", "v", replace_key="1", opts=Opts(aliases=[pulumi.Alias(name="b")]))
c = Thing("c2", b.id, opts=Opts(protect=True, aliases=[pulumi.Alias(name="c")]))
