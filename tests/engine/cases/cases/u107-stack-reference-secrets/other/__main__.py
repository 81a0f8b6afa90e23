import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", pulumi.Output.secret("s1"))
pulumi.export("secret", a.echo)
pulumi.export("plain", "p1")
pulumi.export("mixed", {"s": pulumi.Output.secret("deep"), "p": 1})
