import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1)
b = Thing("b", a.value, opts=Opts(protect=True))
c = Thing("c", b.value)
d = Thing("d", 1)
e = Thing("e", d.value)
f = Thing("f", e.value, opts=Opts(protect=True))
g = Thing("g", 1)
h = Thing("h", g.value)
