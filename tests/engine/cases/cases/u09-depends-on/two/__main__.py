import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

first = Thing("first", "2")
comp = Component("comp", Opts(depends_on=[first]))
inner = Component("inner", Opts(parent=comp))
x = Thing("x", "x", replace_key="new", opts=Opts(parent=comp))
y = Thing("y", "y", opts=Opts(parent=inner))
comp.register_outputs({"x": x.id})
inner.register_outputs({})
after = Thing("after", "a", opts=Opts(depends_on=[comp]))
both = Thing("both", after.echo, opts=Opts(depends_on=[first, after, inner]))
other = Component("other", Opts(depends_on=[comp]))
o = Thing("o", "o", opts=Opts(parent=other))
