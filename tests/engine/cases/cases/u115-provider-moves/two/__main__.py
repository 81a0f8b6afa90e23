import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
a = Thing("a", "a", replace_key="1", opts=Opts(provider=p))
b = Thing("b", a.id)
