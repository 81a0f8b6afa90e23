import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "a", replace_key="2")
b = Thing("b", "b", replace_key=a.id)
c = Thing("c", b.id)
