import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
q = Provider("q", "r2")
m = Component("m", Opts(providers={"testing": p}))
l = Component("l", Opts(parent=m))
a = Thing("a", "a", opts=Opts(parent=m))
b = Thing("b", "b", opts=Opts(parent=l))
c = PlainThing("c", "c", opts=Opts(parent=l))
d = Thing("d", "d", opts=Opts(parent=l, provider=p))
f = Component("f")
g = Thing("g", "g", opts=Opts(parent=f))
h = Thing("h", "h", opts=Opts(provider=q))
