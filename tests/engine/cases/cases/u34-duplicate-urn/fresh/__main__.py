import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

n = NamedThing("a", "n")
m = Thing("m", "1", opts=Opts(depends_on=[n]))
x = Component("x", Opts(depends_on=[m]))
y = Component("x", Opts(depends_on=[m]))
