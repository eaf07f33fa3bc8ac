// What the shader uses of Unity's file of this name, for the reference compiler.
#define UNITY_COLORSPACE_GAMMA
#define sampler2D Texture2D
#define tex2Dlod(image, place) image.SampleLevel(Nearest, (place).xy, 0)
#define _CustomRenderTextureWidth CustomRenderTextureInfo.x
#define _CustomRenderTextureHeight CustomRenderTextureInfo.y

struct v2f_customrendertexture
{
    float4 vertex : SV_POSITION;
    float3 globalTexcoord : TEXCOORD0;
};

SamplerState Nearest;
Texture2D _SelfTexture2D;
float4 CustomRenderTextureInfo;
