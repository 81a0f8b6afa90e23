import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "v2", replace_key="2", map={"k": "m"})
b = Thing("b", a.echo)
c = Thing("c", "s")
d = Thing("d", pulumi.Output.secret("t"))
pulumi.export("a", a.echo)
