import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = DbrThing("a", "v", replace_key="2")
b = DbrThing("b", "b", replace_key=a.id)
c = Thing("c", b.id)
