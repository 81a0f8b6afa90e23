import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "a", replace_key="4")
c = Thing("c", a.id)
