import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Dyn("a", 2)
b = Dyn("b", 7, opts=Opts(depends_on=[a]))
pulumi.export("a", a.id)
