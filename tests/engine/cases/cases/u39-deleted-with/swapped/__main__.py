import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

box = Thing("box", "b", replace_key="2")
a = Thing("a", "a", opts=Opts(deleted_with=box))
k = Thing("k", "k")
