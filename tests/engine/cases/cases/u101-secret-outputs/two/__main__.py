import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "v2", replace_key="2", map={"k": "m"}, opts=Opts(additional_secret_outputs=["echo", "map", "nothing"]))
b = Thing("b", a.echo)
c = Thing("c", "s")
d = Thing("d", pulumi.Output.secret("s"))
pulumi.export("a", a.echo)
