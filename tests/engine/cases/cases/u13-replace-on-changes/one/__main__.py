import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

from dyn import Dyn

a = Thing("a", "v1", opts=Opts(replace_on_changes=["value"]))
b = Thing("b", map={"deep": {"k": 1, "l": 1}}, opts=Opts(replace_on_changes=["map.deep.k"]))
c = Thing("c", list=["p", "q"], opts=Opts(replace_on_changes=["list[1]"]))
d = Thing("d", list=["p", "q"], map={"deep": {"k": 1, "l": 1}}, opts=Opts(replace_on_changes=["map.*"]))
e = Thing("e", "v1", map={"deep": {"k": 1, "l": 1}}, opts=Opts(replace_on_changes=["*"]))
f = Thing("f", "v1", list=["p", "q"], opts=Opts(replace_on_changes=["value"], ignore_changes=["value"]))
g = Thing("g", "same", opts=Opts(replace_on_changes=["value", "nothing.here[3]"]))
h = PlainThing("h", "v1", opts=Opts(replace_on_changes=["value"]))
i = Dyn("i", "v1", opts=Opts(replace_on_changes=["*"]))
j = Thing("j", a.id, opts=Opts(replace_on_changes=["value"], delete_before_replace=True))
k = Thing("k", a.serial, opts=Opts(replace_on_changes=["list"]))
