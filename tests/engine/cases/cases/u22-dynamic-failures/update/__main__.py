import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Dyn("a", 13)
b = Dyn("b", 5, opts=Opts(depends_on=[a]))
pulumi.export("a", a.id)
