import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, map={"x": {"p": 1, "q": 2}, "y": {"p": 3}}, list=[{"k": 1, "l": 2}, {"k": 3}])
b = Thing("b", 1)
c = Thing("c", map={"s": Output.secret({"k": 1, "l": 2})}, extra=Output.secret("e"))
d = Thing("d", list=[1, 2, 3], map={"a.b": 1, 'q"r': 2})
