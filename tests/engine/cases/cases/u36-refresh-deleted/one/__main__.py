import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "a")
b = Thing("b", a.id, list=[a.serial], opts=Opts(depends_on=[a]))
c = Thing("c", b.echo)
k = Thing("k", "parent")
kk = Thing("kk", "child", opts=Opts(parent=k))
d = Thing("d", "d", opts=Opts(deleted_with=k))
pulumi.export("a", a.id)
