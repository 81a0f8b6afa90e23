import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "v", replace_key="1")
b = DbrThing("b", "v", replace_key="1")
c = Thing("c", b.id, opts=Opts(protect=True))
