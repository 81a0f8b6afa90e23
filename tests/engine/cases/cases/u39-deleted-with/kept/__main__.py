import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

box = Thing("box", "b", replace_key="1")
b = Thing("b", "b", opts=Opts(deleted_with=box))
k = Thing("k", "k")
