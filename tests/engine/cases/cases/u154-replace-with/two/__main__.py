import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1", replace_key="2")
b = Thing("b", "b", opts=Opts(replace_with=[a]))
c = Thing("c", "c", opts=Opts(replacement_trigger="t1"))
