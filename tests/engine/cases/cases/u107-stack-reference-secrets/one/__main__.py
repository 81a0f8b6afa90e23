import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

ref = pulumi.StackReference("organization/other/dev")
a = Thing("a", ref.get_output("secret"), map={"m": ref.get_output("mixed"), "p": ref.require_output("plain")})
pulumi.export("secret", ref.get_output("secret"))
pulumi.export("plain", ref.get_output("plain"))
