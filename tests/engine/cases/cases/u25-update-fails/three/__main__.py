import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "2")
b = Thing("b", "other", opts=Opts(depends_on=[a]))
pulumi.export("b", b.echo)
