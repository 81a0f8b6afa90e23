import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

c = Component("c")
a = Thing("a", 1, opts=Opts(parent=c))
p = PlainThing("p", {"r": a, "c": c}, list=[a])
m = Thing("m", {"r": a, "c": c}, list=[a])
n = Component("n")
n.register_outputs({"a": a, "c": c, "v": m.value})
export("a", a); export("n", {"deep": [a]}); export("v", m.value)
