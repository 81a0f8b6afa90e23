import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "v", replace_key="1", map={"k": "m"}, opts=Opts(additional_secret_outputs=["echo", "map", "nothing"]))
b = Thing("b", a.echo)
c = Thing("c", pulumi.Output.secret("s"))
d = Thing("d", "s")
pulumi.export("a", a.echo)
