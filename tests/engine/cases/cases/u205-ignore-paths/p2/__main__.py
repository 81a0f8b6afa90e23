import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

a = Thing("a", 1, map={"x": {"p": 9, "q": 8}, "y": {"p": 7}}, list=[{"k": 9, "l": 8}, {"k": 7}], opts=Opts(ignore_changes=["map.*.p", "list[*].k"]))
b = Thing("b", 1, map={"x": {"p": 1}, "y": 2}, list=[1], extra={"q": {"r": {"s": 1}}}, opts=Opts(ignore_changes=["map.x.p", "list[0]", "extra.q.r.s", "a[", "*"]))
c = Thing("c", map={"s": {"k": 5, "l": 6}}, extra="f", opts=Opts(ignore_changes=["map.s.k", "extra"]))
d = Thing("d", list=[4, 5], map={"a.b": 5, 'q"r': 6}, opts=Opts(ignore_changes=["list[1]", "list[2]", 'map["a.b"]', 'map["q\\"r"]']))
