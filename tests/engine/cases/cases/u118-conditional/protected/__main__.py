import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "yes", opts=Opts(protect=True))
