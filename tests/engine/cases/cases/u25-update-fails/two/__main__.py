import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "2")
b = Thing("b", a.echo, map={"x": 2})
c = Thing("c", b.echo)
pulumi.export("b", b.echo)
pulumi.export("a", a.echo)
