import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = DbrThing("a", "v", replace_key="k2")
b = DbrThing("b", "b", replace_key=a.id)
c = Thing("c", b.echo, replace_key=b.id)
d = Thing("d", a.serial)
e = Thing("e", c.id, opts=Opts(depends_on=[a]))
