import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = DbrThing("a", "a", replace_key="1")
b = Thing("b", a.id)
c = Thing("c", "c", replace_key=a.id)
d = Thing("d", "d", replace_key=b.id)
e = Thing("e", c.id)
f = Thing("f", "f", replace_key=c.id)
g = Thing("g", "g", opts=Opts(depends_on=[a, c]))
h = Thing("h", f.id, list=[e.id])
i = DbrThing("i", "i", replace_key=f.id)
j = Thing("j", "j", map={"x": [i.id]}, opts=Opts(replace_on_changes=["map"]))
k = Thing("k", "k", opts=Opts(parent=f))
l = Thing("l", a.echo, replace_key=a.echo)
