import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r", token=pulumi.Output.secret("t"))
e = Thing.get("e", "ext-1", opts=Opts(provider=p))
f = Thing.get("f", "ext-2")
a = Thing("a", e.echo, secretish="s", opts=Opts(provider=p))
b = Thing("b", f.echo)
pulumi.export("e", e.echo)
