import pulumi
from pulumi import Alias, CustomTimeouts, InvokeOptions, InvokeOutputOptions, Output, ResourceOptions as Opts, export

from sdk import *

p = Thing("p", 1)
c = Thing("c", 2, opts=Opts(parent=p))
g = Thing("g", 3, opts=Opts(parent=c, depends_on=[p]))
