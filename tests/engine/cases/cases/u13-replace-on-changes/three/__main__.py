import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Thing("a", "v2", opts=Opts(replace_on_changes=["value"]))
b = Thing("b", map={"deep": {"k": 3, "l": 2}}, opts=Opts(replace_on_changes=["map.deep.k"]))
c = Thing("c", list=["p2", "q3", "r"], opts=Opts(replace_on_changes=["list[1]"]))
d = Thing("d", list=["p2", "q3", "r"], map={"deep": {"k": 3, "l": 2}}, opts=Opts(replace_on_changes=["map.*"]))
e = Thing("e", "v2", map={"deep": {"k": 3, "l": 2}}, opts=Opts(replace_on_changes=["*"]))
f = Thing("f", "v2", list=["p2", "q3", "r"], opts=Opts(replace_on_changes=["value"], ignore_changes=["value"]))
g = Thing("g", "same", opts=Opts(replace_on_changes=["value", "nothing.here[3]"]))
h = PlainThing("h", "v2", opts=Opts(replace_on_changes=["value"]))
i = Dyn("i", "v2", opts=Opts(replace_on_changes=["*"]))
j = Thing("j", a.id, opts=Opts(replace_on_changes=["value"], delete_before_replace=True))
k = Thing("k", a.serial, opts=Opts(replace_on_changes=["list"]))
