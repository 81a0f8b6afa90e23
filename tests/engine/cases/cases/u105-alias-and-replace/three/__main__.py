import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a2", "v", replace_key="2")
b = DbrThing("b2", "v", replace_key="1")
c = Thing("c2", b.id, opts=Opts(protect=True))
