import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

c = Component("c")
k = Thing("k", 1, opts=Opts(parent=c))
a = Thing("a", 1, opts=Opts(depends_on=[k]))
b = Thing("b", a.value)
