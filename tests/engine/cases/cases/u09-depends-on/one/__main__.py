import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

first = Thing("first", "1")
comp = Component("comp", Opts(depends_on=[first]))
inner = Component("inner", Opts(parent=comp))
x = Thing("x", "x", opts=Opts(parent=comp))
y = Thing("y", "y", opts=Opts(parent=inner))
z = Thing("z", "z", opts=Opts(parent=y))
comp.register_outputs({"x": x.id})
inner.register_outputs({})
after = Thing("after", "a", opts=Opts(depends_on=[comp]))
both = Thing("both", after.echo, opts=Opts(depends_on=[first, after, inner]))
other = Component("other", Opts(depends_on=[comp]))
o = Thing("o", "o", opts=Opts(parent=other))
