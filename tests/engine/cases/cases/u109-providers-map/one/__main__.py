import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
q = Provider("q", "r2")
m = Component("m", Opts(providers={"testing": p}))
l = Component("l", Opts(providers=[q], parent=m))
a = Thing("a", "a", opts=Opts(parent=m))
b = Thing("b", "b", opts=Opts(parent=l))
c = PlainThing("c", "c", opts=Opts(parent=l))
d = Thing("d", "d", opts=Opts(parent=l, provider=p))
e = Thing("e", "e", opts=Opts(parent=d))
f = Component("f", Opts(provider=q))
g = Thing("g", "g", opts=Opts(parent=f))
h = Thing("h", "h")
