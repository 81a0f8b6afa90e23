import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1")
n = NamedThing("a", "n")
c = Component("c")
p = Thing("a", "child", opts=Opts(parent=c))
