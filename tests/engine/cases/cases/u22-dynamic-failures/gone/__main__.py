import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Dyn("a", 3)

pulumi.export("a", a.id)
