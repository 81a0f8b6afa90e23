import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Dyn("a", 1)
b = Dyn("b", -1, opts=Opts(depends_on=[a]))
pulumi.export("a", a.id)
