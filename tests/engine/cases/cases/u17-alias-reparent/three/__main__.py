import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

new = Component("new")
top = Thing("top", "t", opts=Opts(parent=new))
comp = Component("renamed")
c = Thing("c", "c2", opts=Opts(parent=comp))
cc = Thing("cc", c.id, opts=Opts(parent=c))
retyped = Component("retyped", type="conf:index:New")
r = Thing("r", "r", opts=Opts(parent=retyped))
user = Thing("user", c.id, opts=Opts(depends_on=[r]))
kind = NamedThing("kind", "kind", thing_name="n")
