import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
comp = Component("comp")
free = Component("free")
a = Thing("a", "a", opts=Opts(provider=p))
b = Thing("b", a.id, opts=Opts(parent=comp, protect=True, provider=p))
c = Thing("c", b.id)
d = Thing("d", "d", opts=Opts(parent=free))
e = Thing("e", "e", opts=Opts(parent=b))
f = Thing("f", "f", opts=Opts(deleted_with=b))
