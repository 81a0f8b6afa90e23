import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

new = Component("new")
top = Thing("top", "t", opts=Opts(parent=new, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))
comp = Component("renamed", Opts(aliases=[pulumi.Alias(name="comp")]))
c = Thing("c", "c2", opts=Opts(parent=comp))
cc = Thing("cc", c.id, opts=Opts(parent=c))
retyped = Component("retyped", Opts(aliases=[pulumi.Alias(type_="conf:index:Old")]), type="conf:index:New")
r = Thing("r", "r", opts=Opts(parent=retyped))
user = Thing("user", c.id, opts=Opts(depends_on=[r]))
kind = NamedThing("kind", "kind", thing_name="n", opts=Opts(aliases=[pulumi.Alias(type_="testing:index:Thing")]))
