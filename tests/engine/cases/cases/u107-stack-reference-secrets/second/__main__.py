import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

pulumi.export("secret", pulumi.Output.secret("s2"))
pulumi.export("plain", "p2")
