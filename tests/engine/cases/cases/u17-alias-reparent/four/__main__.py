import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

new = Component("new")
old_c = "urn:pulumi:dev::conf::conf:index:Comp$testing:index:Thing::c"
c = Thing("moved", "c2", replace_key="k", opts=Opts(parent=new, aliases=[old_c, pulumi.Alias(name="never", parent=new)]))
cc = Thing("cc", c.id, opts=Opts(parent=c))
user = Thing("user", c.id)
