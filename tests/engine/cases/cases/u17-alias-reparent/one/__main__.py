import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

top = Thing("top", "t")
comp = Component("comp")
c = Thing("c", "c", opts=Opts(parent=comp))
cc = Thing("cc", c.id, opts=Opts(parent=c))
retyped = Component("retyped", type="conf:index:Old")
r = Thing("r", "r", opts=Opts(parent=retyped))
user = Thing("user", c.id, opts=Opts(depends_on=[r]))
kind = Thing("kind", "kind")
