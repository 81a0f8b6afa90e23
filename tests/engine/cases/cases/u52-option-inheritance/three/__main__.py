import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
target = Thing("target", "t", opts=Opts(provider=p))
comp = Component("comp", Opts(protect=False, providers=[p]))
a = Thing("a", "2", opts=Opts(parent=comp))
b = Thing("b", "2", opts=Opts(parent=a))
inner = Component("inner", Opts(parent=comp))
e = Thing("e", "2", opts=Opts(parent=inner, retain_on_delete=True))
