import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1")
b = Thing("b", a.echo, map={"x": 1})
c = Thing("c", b.echo)
gone = Thing("gone", "g")
pulumi.export("b", b.echo)
